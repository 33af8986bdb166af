/** `make torture`: CUTS=100 power cuts, half on each form; SEED=… for other moments. Prints what it did; exit 1 on a broken promise. */
import { runPowerCuts } from './power-cut.ts';

const cuts = Number(process.env['CUTS'] ?? 100);
const seed = Number(process.env['SEED'] ?? Date.now() % 1_000_000);
process.stdout.write(`power cuts: ${cuts}, seed ${seed}\n`);
for (const form of ['journal', 'reflink'] as const) {
  const report = await runPowerCuts({
    form,
    cuts: Math.ceil(cuts / 2),
    seed,
    onCut: ({ cuts: done, pointsAcknowledged }) => {
      if (done % 10 === 0) process.stdout.write(`${form}: ${done} cuts, ${pointsAcknowledged} points acknowledged\n`);
    },
  });
  process.stdout.write(
    `${form}: ${report.cuts} power cuts; ${report.pointsAcknowledged} points and ${report.marksAcknowledged} marks acknowledged, ` +
      `${report.pointsCompared} points compared after a cut, all equal\n`,
  );
}
