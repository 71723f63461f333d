const EventEmitter = require('events');
const stuck = require('./stuck.js');

class App extends EventEmitter {
  constructor() { super(); this.steps = []; }
  use(step) { this.steps.push(step); return this; }
  handle(request) {
    let index = 0;
    const next = (error) => {
      const step = this.steps[index++];
      if (step) step.call(this, request, next, error);
    };
    next();
  }
}
const app = new App();
app.use((request, next) => { request.seen = 1; next(); });
app.use(function log(request, next) {
  this.emit('request', request);
  next();
});
app.on('request', function (request) {
  Reflect.apply(respond, this, [request]);
});
function respond(request) {
  return JSON.parse('{"a":1}', function revive(key, value) {
    return key === 'a' ? stuck(request) : value;
  });
}
setTimeout(app.handle.bind(app), 1, { url: '/' });
