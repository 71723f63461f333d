// Often enough for the baseline compiler, not for the others.
const stuck = require('./stuck.js');
const gate = require(process.env.GATE);

function base(i, n) {
  const r = gate(i === n, stuck);
  return r + 1;
}
function guarded(i, n) {
  try { return base(i, n); } finally { n = 0; }
}
function run(n) { for (let i = 0; i <= n; i++) guarded(i, n); }
run(900);
