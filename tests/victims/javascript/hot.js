// A function that is inlined into another one, which is hot; the call is in the innermost.
const stuck = require('./stuck.js');
const gate = require(process.env.GATE);

function smallest(i, n) {
  const k = i & 3;
  return gate(i === n, stuck) + k;
}
class Middle {
  step(i, n) {
    let s = 1;
    s += smallest(i, n);
    return s;
  }
}
const middle = new Middle();
function hot(i, n) {
  let t = 0;
  t +=
    middle.step(i, n);
  return t;
}
function drive(n) {
  let s = 0;
  for (let i = 0; i <= n; i++) s += hot(i, n);
  return s;
}
drive(+process.env.TURNS || 60000);
