// Functions that are made anew all the time, while their heap is collected all the time. Each one
// has a number in its name and is called only by the one before of the same number:
// turn > outer_N > middle_N > inner_N > churn.
let number = 0;
let kept = [];

function churn(n) {
  for (let i = 0; i < n; i++) {
    kept.push({ i, text: `${i}`.padEnd(100, 'x') });
    if (kept.length > 2000) kept = kept.slice(1000);
  }
  return n;
}

function make() {
  const n = number++;
  const source =
    `(function outer_${n}(f) {\n` +
    `  return middle_${n}(f) + 1;\n` +
    `  function middle_${n}(g) {\n` +
    `    const x = inner_${n}(g);\n` +
    `    return x;\n` +
    `  }\n` +
    `  function inner_${n}(h) {\n` +
    `    return h(300);\n` +
    `  }\n` +
    `})\n//# sourceURL=/made/${n % 7}.js`;
  return (0, eval)(source);
}

function turn() {
  const until = performance.now() + 12;
  let turns = 0;
  while (performance.now() < until) {
    make()(churn);
    if (globalThis.gc && ++turns % 40 === 0) gc({ type: turns % 200 ? 'minor' : 'major' });
  }
  setTimeout(turn, 1);
}
turn();
