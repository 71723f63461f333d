// A function that computes for long, compiled by an optimizing compiler, with a callee that is
// inlined.
function mixed(n, i) {
  return (n * 31 + i) | 0;
}
function hot(rounds) {
  let n = 0;
  for (let i = 0; i < rounds; i++) {
    n = mixed(n, i);
    n ^= n >>> 7;
    if (n === 77)
      n = n + Math.sin(n);
  }
  return n;
}
function handler() {
  const until = Date.now() + 300;
  do {
    hot(3e6);
  } while (Date.now() < until);
}
for (let i = 0; i < 20000; i++) hot(10);
setInterval(handler, 50);
