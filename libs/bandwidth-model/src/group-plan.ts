/**
 * Machines that share a link: what they need together, whether the link carries it, and in which order to copy them first.
 *
 * Peaks of different machines seldom meet, so the p95 of the sum is looked for, not the sum of the p95s: what the machines
 * needed at the same time is added up. The order is the shortest copy first: most machines are continuous soonest, and each
 * one that is takes its share of the link from those that come later. A copy that nothing is left for never ends.
 */
import { distributionOf, scaleDistribution, type Distribution } from './distribution.ts';
import type { MachineNeed, NeedInterval } from './machine-need.ts';

/** What was needed in the same ten seconds was needed at the same time. */
const SLOT_SECONDS = 10;

export interface GroupMachine {
  readonly name: string;
  readonly need: MachineNeed;
  /** What the first copy still has to send, on the wire; null: not known. */
  readonly remainingWireBytes: number | null;
  /** A limit of its own, below which the link does not matter; null: none. */
  readonly limitBitsPerSecond: number | null;
}

export interface PlannedCopy {
  readonly name: string;
  readonly startsAfterSeconds: number | null;
  /** Null: never ends. */
  readonly seconds: number | null;
}

export interface GroupPlan {
  /** With headroom; null: of no machine is enough known. */
  readonly needed: Distribution | null;
  readonly neededOf: ReadonlyMap<string, Distribution | null>;
  /** Machines whose writes are not known: not in the sums. */
  readonly unknown: readonly string[];
  readonly copies: readonly PlannedCopy[];
  /** Null: not known of any. */
  readonly converges: boolean | null;
  /** Does the p95 with headroom fit? */
  readonly comfortable: boolean | null;
  /** To make it converge: the fewest machines to leave for later; empty when it does. */
  readonly leaveOut: readonly string[];
  /** Machines whose own limit is below what they need on average. */
  readonly throttled: readonly string[];
}

export function planGroup(machines: readonly GroupMachine[], linkBitsPerSecond: number, headroom: number): GroupPlan {
  const known = machines.filter(({ need }) => need.bitsPerSecond !== null);
  const together = distributionOf(slotsOf(known.map(({ need }) => need.intervals)));
  const average = known.reduce((sum, machine) => sum + averageOf(machine), 0);
  const needed = together === null ? null : scaleDistribution({ ...together, average }, headroom);
  const leaveOut = tooMany(known, linkBitsPerSecond);
  return {
    needed,
    neededOf: new Map(
      machines.map(({ name, need }) => [
        name,
        need.bitsPerSecond === null ? null : scaleDistribution(need.bitsPerSecond, headroom),
      ]),
    ),
    unknown: machines.filter((machine) => !known.includes(machine)).map(({ name }) => name),
    copies: planCopies(machines, linkBitsPerSecond),
    converges: known.length === 0 ? null : leaveOut.length === 0,
    comfortable: needed === null ? null : needed.p95 <= linkBitsPerSecond,
    leaveOut,
    throttled: known
      .filter((machine) => machine.limitBitsPerSecond !== null && machine.limitBitsPerSecond < averageOf(machine))
      .map(({ name }) => name),
  };
}

/** Sums of what was needed in the same slot; a machine that told nothing about a slot counts with its average. */
function slotsOf(all: readonly (readonly NeedInterval[])[]): number[] {
  const perMachine = all.map(slotsOfMachine);
  const averages = perMachine.map(
    (slots) => [...slots.values()].reduce((sum, bits) => sum + bits, 0) / (slots.size || 1),
  );
  const slots = new Set(perMachine.flatMap((each) => [...each.keys()]));
  return [...slots].map((slot) =>
    perMachine.reduce((sum, each, index) => sum + (each.get(slot) ?? (averages[index] as number)), 0),
  );
}

function slotsOfMachine(intervals: readonly NeedInterval[]): ReadonlyMap<number, number> {
  const sums = new Map<number, { bits: number; seconds: number }>();
  for (const { atSeconds, seconds, bitsPerSecond } of intervals) {
    const slot = Math.floor((atSeconds + seconds / 2) / SLOT_SECONDS);
    const sum = sums.get(slot) ?? { bits: 0, seconds: 0 };
    sums.set(slot, { bits: sum.bits + bitsPerSecond * seconds, seconds: sum.seconds + seconds });
  }
  return new Map([...sums].map(([slot, { bits, seconds }]) => [slot, bits / seconds]));
}

/** The largest ones, until the rest fits. */
function tooMany(known: readonly GroupMachine[], linkBitsPerSecond: number): string[] {
  const descending = known.toSorted((a, b) => averageOf(b) - averageOf(a));
  let rest = known.reduce((sum, machine) => sum + averageOf(machine), 0);
  const out: string[] = [];
  for (const machine of descending) {
    if (rest <= linkBitsPerSecond) break;
    rest -= averageOf(machine);
    out.push(machine.name);
  }
  return out;
}

function planCopies(machines: readonly GroupMachine[], linkBitsPerSecond: number): PlannedCopy[] {
  const toCopy = machines.filter(({ remainingWireBytes }) => (remainingWireBytes ?? 0) > 0);
  const ordered = toCopy.toSorted((a, b) => (a.remainingWireBytes as number) - (b.remainingWireBytes as number));
  let carried = machines
    .filter((machine) => !toCopy.includes(machine))
    .reduce((sum, machine) => sum + averageOf(machine), 0);
  let startsAfterSeconds: number | null = 0;
  return ordered.map((machine) => {
    const own = averageOf(machine);
    const left = Math.min(linkBitsPerSecond - carried, machine.limitBitsPerSecond ?? Infinity) - own;
    const seconds: number | null =
      startsAfterSeconds === null || left <= 0 ? null : ((machine.remainingWireBytes as number) * 8) / left;
    const copy = { name: machine.name, startsAfterSeconds, seconds };
    startsAfterSeconds = startsAfterSeconds === null || seconds === null ? null : startsAfterSeconds + seconds;
    carried += own;
    return copy;
  });
}

function averageOf({ need }: GroupMachine): number {
  return need.bitsPerSecond?.average ?? 0;
}
