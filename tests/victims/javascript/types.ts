import stuck from './stuck.js';

interface Options {
  deep: number;
  name?: string;
}

type Handler<T> = (value: T) => unknown;

function typed<T extends Options>(value: T, handler: Handler<T>): unknown {
  return handler(value as T);
}
class Service {
  private options: Options;
  constructor(options: Options) { this.options = options; }
  public start(): unknown { return typed<Options>(this.options, (x: Options) => stuck(x)); }
}
new Service({ deep: 1 }).start();
