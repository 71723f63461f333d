const stuck = require('./stuck.js');
const { promisify } = require('util');
const pause = promisify(setTimeout);

async function outer(n) {
  await pause(1);
  const r = await middle(n);
  return r;
}
async function middle(n) {
  await null;
  for (const step of [1, 2]) {
    await step;
  }
  return inner(n);
}
async function inner(n) {
  return stuck(n);
}
process.nextTick(() => {
  queueMicrotask(() => {
    setImmediate(function later() {
      Promise.resolve(1)
        .then((x) => x + 1)
        .then(function chained(x) { return outer(x); });
    });
  });
});
