const stuck = require('./stuck.js');

const 列 = { größe: (x) => имя(x) };
function имя(x) { const s = '😀😀'; return εσωτερικό(x, s); }
function εσωτερικό(x, s) {
  const a = 'line separator'; return [s, a].map((y) => stuck(y));
}
列.größe(1);
