// SPDX-License-Identifier: MIT
// A Node loop that turns, is blocked by one callback in the way that argv[2] names, and turns again.
// argv[3] is a FIFO; one that computes does so until there is a file of that name with .go at its end.
'use strict';
const child = require('child_process');
const crypto = require('crypto');
const fs = require('fs');

const derive = (rounds) => crypto.pbkdf2Sync('a password', 'salt', rounds, 64, 'sha512');
derive(1); // compiled now: beside other work that alone may take as long as a loop may be late

const shared = new Int32Array(new SharedArrayBuffer(4));
const ways = {
    none: () => {},
    execSync: () => { try { child.execSync('exec sleep 60'); } catch (error) { /* it was killed */ } },
    spawnSync: () => child.spawnSync('sleep', ['60'], {stdio: 'ignore'}),
    fifo: () => fs.closeSync(fs.openSync(process.argv[3], 'r')),
    atomics: () => Atomics.wait(shared, 0, 0, 8000),
    pbkdf2: () => {
        while (!fs.existsSync(process.argv[3] + '.go'))
            derive(200000);
    },
    cpu: () => {
        while (!fs.existsSync(process.argv[3] + '.go'))
            for (let end = Date.now() + 50, x = 1; Date.now() < end;) x = Math.sqrt(x + 1);
    },
};

let turns = 0;
const timer = setInterval(() => {
    if (++turns === 20)
        ways[process.argv[2]]();
    if (turns === 30)
        clearInterval(timer);
}, 10);
