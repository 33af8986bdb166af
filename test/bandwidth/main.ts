// What the bandwidth model rests on, as root:
//
//   node test/bandwidth/main.ts record NAME…     records write traces (recordings.ts) into traces/
//   node test/bandwidth/main.ts fit FOLDER       observes real replication of them, fits the constants, and prints how well

import { fitConstants } from './fit-constants.ts';
import { record } from './record.ts';

const [what, ...words] = process.argv.slice(2);
if (what === 'record') for (const name of words) await record(name);
else if (what === 'fit' && words[0] !== undefined) await fitConstants(words[0]);
else throw new Error('node test/bandwidth/main.ts record NAME… | fit FOLDER');
