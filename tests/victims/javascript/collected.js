// A heap that was collected and compacted again and again before.
const stuck = require('./stuck.js');

let kept = [];
function churn(n) {
  for (let i = 0; i < n; i++) {
    kept.push({ i, text: 'x'.repeat(50) + i, f: new Function('f', `return f(${i});`) });
    if (kept.length > 200) kept = kept.filter((x, k) => k % 2);
  }
}
churn(6000);
if (globalThis.gc) gc();
function last() { return kept[kept.length - 1].f(() => stuck()); }
last();
