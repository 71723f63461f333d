const stuck = require('./stuck.js');

class Base {
  #secret = 3;
  static made = [];
  field = this.init(this.#secret);
  constructor(depth) {
    this.depth = depth;
    this.#hidden(depth);
  }
  init(x) { return x; }
  #hidden(depth) { Base.register(this, depth); }
  static register(object, depth) {
    Base.made.push(object);
    if (depth > 1) { new Derived(depth - 1); } else { object.finish(); }
  }
}

class Derived extends Base {
  constructor(depth) {
    super(depth);
  }
  finish() { return this.value; }
  get value() {
    return Derived.#close(this);
  }
  static #close(x) { return stuck(x); }
}

class Starter {
  static {
    new Derived(3);
  }
}
