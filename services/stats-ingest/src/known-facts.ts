/** What facts of other services say about a machine, as it is kept in state. Pure. */
import { InitiationStep, StepState, wordOf, type Event, type InitiationStepReport } from '@lms/proto';
import { z } from 'zod';

const STEP_WORDS = Object.keys(InitiationStep).filter(
  (word): word is keyof typeof InitiationStep => word in InitiationStep,
);

/** Its form in state; times are RFC 3339 in UTC. */
export const KNOWN_FACTS = z.object({
  enrolledAt: z.string().nullable(),
  pointIntervalSeconds: z.number().positive(),
  lastPoint: z
    .object({
      sequence: z.number().int().positive(),
      /** Its instant, by the source's clock. */
      createdAt: z.string(),
      /** When the registry learned of it, by the manager's clock. */
      committedAt: z.string(),
    })
    .nullable(),
  /** The steps that failed last time they were heard of, and why. */
  failedSteps: z.array(z.object({ step: z.enum(STEP_WORDS), error: z.string() })),
});

export type KnownFacts = z.infer<typeof KNOWN_FACTS>;

/** Of `pointIntervalSeconds`, until the machine's settings are heard of. */
const DEFAULT_POINT_INTERVAL_SECONDS = 10;

export const NOTHING_KNOWN: KnownFacts = {
  enrolledAt: null,
  pointIntervalSeconds: DEFAULT_POINT_INTERVAL_SECONDS,
  lastPoint: null,
  failedSteps: [],
};

/** Kinds of facts that change it, as they stand in subjects. */
export const KNOWN_FACT_KINDS = [
  'machine-enrolled',
  'machine-changed',
  'point-committed',
  'initiation-step-changed',
  'machine-removed',
] as const;

/** The same object when the event says nothing new, so that a repeated fact writes nothing. */
export function withEvent(known: KnownFacts, { fact, occurredAt }: Event): KnownFacts {
  switch (fact?.$case) {
    case 'machineEnrolled':
    case 'machineChanged': {
      const { machine } = fact.value;
      const enrolledAt = machine?.enrolledAt?.toISOString() ?? known.enrolledAt;
      const pointIntervalSeconds = machine?.settings?.pointIntervalSeconds || known.pointIntervalSeconds;
      const same = enrolledAt === known.enrolledAt && pointIntervalSeconds === known.pointIntervalSeconds;
      return same ? known : { ...known, enrolledAt, pointIntervalSeconds };
    }
    case 'pointCommitted': {
      const { point } = fact.value;
      if (point === undefined) return known;
      const sequence = Number(point.sequence);
      if (sequence <= (known.lastPoint?.sequence ?? 0)) return known;
      const committedAt = occurredAt?.toISOString() ?? point.createdAt;
      return { ...known, lastPoint: { sequence, createdAt: point.createdAt, committedAt } };
    }
    case 'initiationStepChanged':
      return fact.value.step === undefined ? known : withStep(known, fact.value.step);
    default:
      return known;
  }
}

function withStep(known: KnownFacts, report: InitiationStepReport): KnownFacts {
  const word = wordOf(InitiationStep, report.step);
  if (word === null) return known;
  const before = known.failedSteps.find(({ step }) => step === word);
  const failed = report.state === StepState.FAILED;
  if (failed ? before?.error === report.error : before === undefined) return known;
  const others = known.failedSteps.filter(({ step }) => step !== word);
  const failedSteps = failed ? [...others, { step: word, error: report.error }] : others;
  return { ...known, failedSteps: failedSteps.sort((a, b) => InitiationStep[a.step] - InitiationStep[b.step]) };
}
