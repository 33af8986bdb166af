// A preload for the agent that breaks rule R2 on purpose: completed writes of even mebibytes are taken for reads.
//
// It alters one function while it is loaded. Should that function not be there any more, the agent does not start,
// so that the test that wants to see a red comparison cannot pass for the wrong reason.

import { readFileSync } from 'node:fs';
import { registerHooks } from 'node:module';
import { fileURLToPath } from 'node:url';

const FILE = '/services/agent/src/core/change-tracker.ts';
const MARKER = 'if (changesNothing(operation, sectorCount)) return;';
const FORGETFUL = 'if (changesNothing(operation, sectorCount) || Math.floor(sector / 2048) % 2 === 0) return;';

registerHooks({
  load(url, context, nextLoad) {
    if (!url.endsWith(FILE)) return nextLoad(url, context);
    const source = readFileSync(fileURLToPath(url), 'utf8');
    if (!source.includes(MARKER)) throw new Error(`${FILE} has no '${MARKER}'`);
    return { format: 'module-typescript', source: source.replace(MARKER, FORGETFUL), shortCircuit: true };
  },
});
