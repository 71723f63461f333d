const vm = require('vm');
const stuck = require('./stuck.js');

globalThis.stuck = stuck;
function direct(x) {
  return eval('(function made(y) {\n  return stuck(y);\n})(x)\n//# sourceURL=/made/by/eval.js');
}
const constructed = new Function('f', 'x', 'return wrapped(x);\nfunction wrapped(q) { return f(q); }\n//# sourceURL=/made/by/function.js');
const script = new vm.Script('\n(function placed(f, x) {\n  return f(x); })', {
  filename: '/made/by/vm.js', lineOffset: 40, columnOffset: 7,
});
const oneLine = vm.runInThisContext('(function same(f, x) { return f(x); })', {
  filename: '/made/one.js', columnOffset: 30,
});
oneLine((x) => script.runInThisContext()((y) => constructed(direct, y), x), 1);
