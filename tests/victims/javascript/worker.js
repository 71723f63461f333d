const { Worker, isMainThread, workerData } = require('worker_threads');

if (isMainThread) {
  new Worker(__filename, { workerData: 5 });
} else {
  const stuck = require('./stuck.js');
  const gate = require(process.env.GATE);
  const work = (n) => (n > 2 ? deep(n) : 0);
  function deep(n) { return stuck(n); }
  function once(i, n) { return gate(i === n, () => work(n)); }
  for (let i = 0; i <= 3000; i++) once(i, 3000);
}
