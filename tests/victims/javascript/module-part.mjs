export default class Runner {
  go(f) { return f(1); }
}
export function run(f) {
  return new Runner().go((x) => f(x));
}
