const stuck = require('./stuck.js');

const steps = [
  (next) => [3, 1].forEach((x) => { if (x === 3) next(); }),
  (next) => [2, 1].sort((a, b) => { next(); return a - b; }),
  (next) => 'ab'.replace(/a/, () => { next(); return 'c'; }),
  (next) => new Map([[1, 2]]).forEach(() => next()),
  (next) => Reflect.construct(function Made() { next(); }, []),
  (next) => new Proxy({}, { get() { return next(); } }).anything,
  (next) => `${{ toString() { next(); return ''; } }}`,
  (next) => { for (const x of { *[Symbol.iterator]() { yield next(); } }) return x; },
  (next) => Array.from({ length: 1 }, () => next()),
  (next) => next.call.bind(next)(null),
];
function take(i) {
  return i === steps.length ? stuck() : steps[i](() => take(i + 1));
}
take(0);
