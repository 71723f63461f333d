// Each queue hands on to the next one: what ran before is not on the stack any more.
const stuck = require('./stuck.js');

function onTimeout(first, second) {
  setImmediate(onImmediate, first + second);
}
function onImmediate(value) {
  process.nextTick(onTick, value);
}
function onTick(value) {
  queueMicrotask(() => inMicrotask(value));
}
function inMicrotask(value) {
  const interval = setInterval(() => {
    clearInterval(interval);
    last(value);
  }, 2);
}
function last(value) { return stuck(value); }
setTimeout(onTimeout, 3, 1, 2);
