// The same call twice: before the functions on the way to it are compiled, and after.
// Run with --allow-natives-syntax.
const fs = require('fs');
const block = Buffer.alloc(200000);
const nowhere = fs.openSync('/dev/null', 'w');
const prepare = new Function('f', '%PrepareFunctionForOptimization(f)');
const optimize = new Function('f', '%OptimizeFunctionOnNextCall(f)');

function send(fd) {
  const written = fs.writeSync(fd, block);
  return written;
}
function once(fd) {
  return send(fd) + 1;
}
function compile() {
  for (const f of [send, once]) prepare(f);
  for (let i = 0; i < 100; i++) once(nowhere);
  for (const f of [send, once]) optimize(f);
  once(nowhere);
}
for (const round of [1, 2]) {
  once(9);
  compile();
}
