// Where every program of this folder ends: in a write to descriptor 9, a full pipe. With SITES in
// the environment it writes there, instead, the stack as V8 itself describes it.
'use strict';
const fs = require('fs');

function callSites() {
  const prepare = Error.prepareStackTrace;
  const limit = Error.stackTraceLimit;
  const holder = {};
  Error.stackTraceLimit = Infinity;
  Error.prepareStackTrace = (error, sites) => sites;
  Error.captureStackTrace(holder, callSites);
  const sites = holder.stack;
  Error.prepareStackTrace = prepare;
  Error.stackTraceLimit = limit;
  return sites.map((site) => ({
    function: site.getFunctionName(),
    file: site.getFileName(),
    line: site.getLineNumber(),
    column: site.getColumnNumber(),
    async: !!(site.isAsync && site.isAsync()),
  }));
}

function stuck() {
  if (process.env.SITES) {
    fs.writeFileSync(process.env.SITES, JSON.stringify(callSites()));
    process.kill(process.pid, 'SIGKILL');
  }
  return fs.writeSync(9, Buffer.alloc(100));
}

module.exports = stuck;
