// Replaced on the stack: the loop itself becomes hot.
const stuck = require('./stuck.js');
const gate = require(process.env.GATE);

function small(x) { return gate(x, stuck); }
function loop(n) {
  let s = 0;
  for (let i = 0; i <= n; i++) {
    s = (s * 31 + i) | 0;
    if ((i & 255) === 0)
      s += small(i === n);
  }
  return s;
}
loop(1 << 20);
