// What the optimized code relied on is changed while it is on the stack.
const stuck = require('./stuck.js');
const gate = require(process.env.GATE);

class Shape { get size() { return 1; } grow(x) { return x + 1; } }
const shape = new Shape();
function change() {
  Shape.prototype.grow = function (x) { return x + 2; };
  Object.defineProperty(Shape.prototype, 'size', { get() { return 2; } });
  return stuck();
}
function calls(i, n) {
  return gate(i === n, change);
}
function lower(i, n) {
  let r = shape.grow(i);
  r += shape.size;
  r +=
    calls(i, n);
  return r + shape.grow(r) + shape.size;
}
function hot(i, n) {
  const q = shape.grow(i);

  return q + lower(i, n) + shape.size;
}
function drive(n) {
  let s = 0;
  for (let i = 0; i <= n; i++) {
    s +=
      hot(i, n) | 0;
  }
  return s;
}
drive(200000);
