// A function that computes, called by one that does not.
function spin(until) {
  let n = 0;
  while (Date.now() < until) {
    for (let i = 0; i < 1000; i++)
      n = (n * 31 + i) | 0;
  }
  return n;
}
function handler() {
  return spin(Date.now() + 300);
}
setInterval(handler, 50);
