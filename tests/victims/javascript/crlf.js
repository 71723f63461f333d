const stuck = require('./stuck.js');

function unix(x) {
  return stuck(x);
}
const two = (x) =>
  unix(x);
two(1);
