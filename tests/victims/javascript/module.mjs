import { createRequire } from 'node:module';
import { run } from './module-part.mjs';

const require = createRequire(import.meta.url);
const calls = await Promise.resolve(require('./stuck.js'));
export const value = await (async () => run(calls))();
