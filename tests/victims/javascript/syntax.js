// Calls over several lines, in every place where a call can stand.
const stuck = require('./stuck.js');

const chain = {
  again() { return this; },
  run(f, ...rest) { f(...rest); return this; },
};
function defaulted(a, b = () => chosen(a), { c = b() } = {}) {
  return c;
}
function chosen(key) {
  switch (key) {
    case 'no':
      return 0;
    case 'yes':
      try {
        throw new Error('x');
      } catch ({ message }) {
        for (const word of [message, 'end'])
          if (word === 'end')
            return tagged`a${1}b
              ${() => chained(word)}`;
      } finally {
        key = '';
      }
  }
}
function tagged(texts, number, f) {
  return texts.length > number
    ? f?.(
      number,
    )
    : null;
}
function chained(word) {
  return chain
    .again()
    ?.run(() => { })
    .again().run(
      (a, b) => {
        const made = { [a]: b, get late() { return sum(a,
          1); } };
        return made.late;
      },
      ...[word,
        2],
    );
}
function sum(a, b) {
  return a.length + b +
    /* the call */ +stuck() ||
    b;
}
const [first] = [defaulted('yes')];
module.exports = first;
