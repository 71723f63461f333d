const stuck = require('./stuck.js');

const compose = (...steps) => (x) => steps.reduce((value, step) => step(value), x);
const curry = (a) => (b) => (c) => stuck(a + b + c);
let assigned;
assigned = (x) => curry(x)(2)(3);
(function () {
  const hidden = function () { return compose((x) => x + 1, assigned)(1); };
  (() => {
    [0].map(() => hidden());
  })();
})();
