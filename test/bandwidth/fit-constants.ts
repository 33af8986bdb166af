// Fits the model's constants, on a quiet machine; about ten minutes.
//
// What is not yet in the folder is observed first (real manager, agents and links, `observe.ts`) and kept there, so that a second
// run only computes. Constants are fitted on the traces of the use "fit"; those of the use "test" are then foretold, and the
// table shows how well both agree. What came out stands in docs/bandwidth.md and in libs/bandwidth-model/src/constants.ts.

import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { MODEL_CONSTANTS, type Distribution, type ModelConstants } from '@lms/bandwidth-model';
import { observe } from './observe.ts';
import { measuredLag, modelledLag, type ObservedCase } from './observed-case.ts';
import { RECORDINGS } from './recordings.ts';

const SECONDS = 30;
const MEGABIT = 1_000_000;
/** Links that carry what the traces write, with little and with much to spare. */
const WORLDS = [
  { use: 'fit', megabits: 8, pointIntervalSeconds: 2 },
  { use: 'fit', megabits: 12, pointIntervalSeconds: 2 },
  { use: 'fit', megabits: 20, pointIntervalSeconds: 5 },
  { use: 'test', megabits: 12, pointIntervalSeconds: 2 },
  { use: 'test', megabits: 20, pointIntervalSeconds: 2 },
  { use: 'test', megabits: 16, pointIntervalSeconds: 5 },
] as const;

const KIBIBYTE = 1024;
/** What the agent's source says is not fitted, and neither are the headers of TCP, which are known. */
const CANDIDATES: Readonly<Partial<Record<keyof ModelConstants, readonly number[]>>> = {
  kernelBufferBytes: [128, 192, 256, 320, 384, 448, 512, 640, 768, 1024].map((kibibytes) => kibibytes * KIBIBYTE),
  windowSeconds: [0.01, 0.02, 0.03, 0.05, 0.08, 0.12],
  freezeSeconds: [0, 0.05, 0.1, 0.15, 0.2, 0.3],
  commitSeconds: [0.02, 0.04, 0.06, 0.08, 0.1, 0.15],
  reportSeconds: [0.02, 0.05, 0.08, 0.1, 0.15, 0.2, 0.25],
};
const ROUNDS = 6;
const FITTED_FIGURES = ['average', 'p50', 'p95'] as const;

async function observedCases(folder: string): Promise<readonly (ObservedCase & { readonly use: string })[]> {
  mkdirSync(folder, { recursive: true });
  const cases: (ObservedCase & { readonly use: string })[] = [];
  for (const { use, megabits, pointIntervalSeconds } of WORLDS) {
    const path = join(folder, `${use}-${megabits}-${pointIntervalSeconds}.json`);
    if (!existsSync(path)) {
      const traces = Object.keys(RECORDINGS).filter((name) => RECORDINGS[name]?.use === use);
      const linkBitsPerSecond = megabits * MEGABIT;
      const seen = await observe({ traces, linkBitsPerSecond, pointIntervalSeconds, seconds: SECONDS });
      writeFileSync(path, JSON.stringify(seen));
    }
    for (const observed of JSON.parse(readFileSync(path, 'utf8')) as ObservedCase[]) cases.push({ ...observed, use });
  }
  return cases;
}

function errorOf(cases: readonly ObservedCase[], constants: ModelConstants): number {
  return cases.reduce((sum, observed) => {
    const measured = measuredLag(observed);
    const modelled = modelledLag(observed, constants);
    return sum + FITTED_FIGURES.reduce((own, figure) => own + Math.log(modelled[figure] / measured[figure]) ** 2, 0);
  }, 0);
}

/** One constant after the other, as long as that is better. */
function fittedTo(cases: readonly ObservedCase[]): ModelConstants {
  let best = MODEL_CONSTANTS;
  let error = errorOf(cases, best);
  for (let round = 0; round < ROUNDS; round++) {
    for (const [name, values] of Object.entries(CANDIDATES)) {
      for (const value of values) {
        const tried = { ...best, [name]: value };
        const errorNow = errorOf(cases, tried);
        if (errorNow < error) [best, error] = [tried, errorNow];
      }
    }
  }
  return best;
}

function row(observed: ObservedCase & { readonly use: string }, constants: ModelConstants): string {
  const measured = measuredLag(observed);
  const modelled = modelledLag(observed, constants);
  const compared = (figure: keyof Distribution): string => {
    const percent = Math.round((modelled[figure] / measured[figure] - 1) * 100);
    return `${measured[figure].toFixed(2)} s | ${modelled[figure].toFixed(2)} s | ${percent > 0 ? '+' : ''}${percent} %`;
  };
  const { use, trace, linkBitsPerSecond, pointIntervalSeconds } = observed;
  const link = `${linkBitsPerSecond / MEGABIT} Mbit/s | ${pointIntervalSeconds} s`;
  return `| ${use} | ${trace} | ${link} | ${compared('p50')} | ${compared('p95')} |`;
}

/** Prints the constants, and a table of what they foretell. */
export async function fitConstants(folder: string): Promise<void> {
  const cases = await observedCases(folder);
  const constants = fittedTo(cases.filter(({ use }) => use === 'fit'));
  process.stdout.write(`${JSON.stringify(constants, null, 2)}\n\n`);
  process.stdout.write('| use | trace | link | interval | p50 measured | modelled | | p95 measured | modelled | |\n');
  process.stdout.write('|---|---|---|---|---|---|---|---|---|---|\n');
  for (const observed of cases) process.stdout.write(`${row(observed, constants)}\n`);
}
