// Reactions, executors and thenables, which V8's own functions call.
const stuck = require('./stuck.js');

const thenable = {
  then(resolve) {
    resolve(new Promise(function executor(done) {
      done(3);
    }));
  },
};
function reaction(value) {
  return Promise.allSettled([value, thenable]).then((all) => {
    if (all.length === 2)
      return new Promise(function inside(done) { done(finish(all)); });
  });
}
function finish(all) {
  return all.map(({ value }) => stuck(value));
}
Promise.resolve(thenable)
  .then(reaction)
  .finally(() => process.exit(1));
