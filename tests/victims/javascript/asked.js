// V8 has made its tables of lines: the program took stacks before.
const stuck = require('./stuck.js');

function complain() { return new Error('once').stack.length; }
function again(n) {
  complain();
  return n ? again(n - 1) :
    stuck(n);
}
again(3);
