const stuck = require('./stuck.js');

const table = {
  method(x) { return table.deep.inner(x); },
  deep: {
    inner: function (x) {
      return table.getter + x;
    },
  },
  get getter() { return viaSetter(4); },
  set setter(v) {
    (function () { stuck(v); })();
  },
};
function viaSetter(v) { table.setter = v; return v; }

function first(n) {
  const doubled = n * 2;

  return second(
    doubled,
    third(n),
  );
}
function second(a, b) { return a + b; }
function third(n) {
  switch (n) {
    case 1:
      try {
        return table
          .method(n);
      } finally {
        n = 0;
      }
    default:
      return 0;
  }
}
first(1);
