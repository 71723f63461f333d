const stuck = require('./stuck.js');

function* numbers(n) {
  for (let i = 0; i < n; i++)
    yield i === n - 1 ? last(i) : i;
}
function last(i) { return stuck(i); }
function* delegating(n) { yield* numbers(n); }
async function* slow(n) {
  for (const x of delegating(n)) {
    await null;
    yield x;
  }
}
async function consume() {
  let sum = 0;
  for await (const x of slow(3)) sum += x;
  return sum;
}
consume();
