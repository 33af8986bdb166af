import { expect, test } from '@jest/globals';
import { fingerprintOf } from './manifests.ts';
import { planMachine, planRemoval, type MachinePlan, type ObservedMachine, type PlanFacts } from './plan-machine.ts';
import { tlsRoute } from './resource.ts';
import {
  claim,
  MACHINE,
  NAME,
  NOTHING,
  object,
  pod,
  secret,
  service,
  settingsWith,
  statefulSet,
} from './test/observed.ts';

const GIBIBYTE = 1024 ** 3;
const NOW = new Date('2026-11-24T12:00:00Z');
const FACTS: PlanFacts = { settings: settingsWith(), routeResource: null, now: NOW, caSha256: 'ab'.repeat(32) };
const WANTED = { machineId: MACHINE, diskBytes: [10 * GIBIBYTE], calledAt: null };
const minutes = (count: number): Date => new Date(NOW.getTime() + count * 60_000);

/** One word for each change: what is done to which kind. */
function summary({ changes }: MachinePlan): readonly string[] {
  return changes.map((change) => {
    if (change.kind === 'apply') return `apply ${change.resource.kind} ${change.manifest.metadata.name}`;
    return change.kind === 'delete' ? `delete ${change.resource.kind} ${change.object.name}` : change.kind;
  });
}

/** Everything as a first plan makes it. */
function settled(facts: PlanFacts = FACTS, wanted = WANTED): ObservedMachine {
  const marks = new Map<string, string | null>();
  for (const change of planMachine(wanted, NOTHING, facts).changes) {
    if (change.kind !== 'apply') continue;
    marks.set(`${change.resource.kind} ${change.manifest.metadata.name}`, fingerprintOf(change.manifest));
  }
  const mark = (kind: string, name = NAME) => ({ name, fingerprint: marks.get(`${kind} ${name}`) ?? null });
  const addresses = [`${NAME}-public`, `${NAME}-private`].filter((name) => marks.has(`Service ${name}`));
  return {
    ...NOTHING,
    claim: claim(mark('PersistentVolumeClaim')),
    secret: secret(),
    services: [service(mark('Service')), ...addresses.map((name) => service(mark('Service', name)))],
    policy: object('NetworkPolicy', mark('NetworkPolicy')),
    statefulSet: statefulSet(mark('StatefulSet')),
    pod: pod(),
  };
}

test('a new machine: the policy before the pod, the volume before what uses it', () => {
  expect(summary(planMachine(WANTED, NOTHING, FACTS))).toEqual([
    `apply NetworkPolicy ${NAME}`,
    `apply PersistentVolumeClaim ${NAME}`,
    'issueToken',
    `apply Service ${NAME}`,
    `apply StatefulSet ${NAME}`,
  ]);
});

const REFUSED = {
  exitCode: 1,
  reason: 'Error',
  finishedAt: minutes(-1),
  failure: { code: 'UNAUTHENTICATED' as const, message: 'the join token was used' },
};
const WAITING_TOKEN = { enrolled: false, tokenMadeAt: minutes(-10), tokenExpiresAt: minutes(50) };

interface Case {
  readonly name: string;
  readonly observed: Partial<ObservedMachine>;
  readonly wanted?: Partial<typeof WANTED> | { readonly calledAt: Date } | { readonly diskBytes: null };
  readonly changes: readonly string[];
}

const CASES: readonly Case[] = [
  { name: 'what is as it should be needs no call', observed: {}, changes: [] },
  {
    name: 'a source disk grew: the claim grows',
    observed: {},
    wanted: { diskBytes: [20 * GIBIBYTE] },
    changes: [`apply PersistentVolumeClaim ${NAME}`],
  },
  {
    name: 'a claim that has no volume yet cannot grow yet',
    observed: { claim: { ...claim(), phase: 'Pending', fingerprint: settled().claim?.fingerprint ?? null } },
    wanted: { diskBytes: [20 * GIBIBYTE] },
    changes: [],
  },
  {
    name: 'a volume never shrinks: what is requested is more than the disks need now',
    observed: {},
    wanted: { diskBytes: [GIBIBYTE] },
    changes: [],
  },
  {
    name: 'a machine that the registry forgot keeps all that it has',
    observed: {},
    wanted: { diskBytes: null },
    changes: [],
  },
  {
    name: 'a lost volume is left alone: what to do with it is for people',
    observed: { claim: { ...claim(), phase: 'Lost', fingerprint: settled().claim?.fingerprint ?? null } },
    changes: [],
  },
  {
    name: 'a claim that somebody deletes is not fought over',
    observed: { claim: claim({ deleting: true }) },
    changes: [],
  },
  {
    name: 'an object that was deleted is made again',
    observed: { policy: null, statefulSet: null },
    changes: [`apply NetworkPolicy ${NAME}`, `apply StatefulSet ${NAME}`],
  },
  {
    name: 'fields that somebody else took are taken back',
    observed: { drifted: new Set([`StatefulSet/${NAME}`]) },
    changes: [`apply StatefulSet ${NAME}`],
  },
  {
    name: 'an address of another exposure is removed',
    observed: { services: [...settled().services, service({ name: `${NAME}-public` })] },
    changes: [`delete Service ${NAME}-public`],
  },
  {
    name: 'a token in force is left as it is',
    observed: { secret: secret(WAITING_TOKEN) },
    changes: [],
  },
  {
    name: 'a token that runs out before it was used is replaced',
    observed: { secret: secret({ ...WAITING_TOKEN, tokenExpiresAt: minutes(10) }) },
    changes: ['issueToken'],
  },
  {
    name: 'a server that has called needs no token any more',
    observed: { secret: secret(WAITING_TOKEN) },
    wanted: { calledAt: minutes(-5) },
    changes: ['clearToken'],
  },
  {
    name: 'a call from before the token says nothing about it',
    observed: { secret: secret(WAITING_TOKEN) },
    wanted: { calledAt: minutes(-20) },
    changes: [],
  },
  {
    name: 'a server that lost its identity and was refused gets another token',
    observed: { pod: pod({ lastTermination: REFUSED }) },
    wanted: { calledAt: minutes(-20) },
    changes: ['issueToken'],
  },
  {
    name: 'it gets no second one while it has not tried the new one',
    observed: { pod: pod({ lastTermination: REFUSED }), secret: secret({ ...WAITING_TOKEN, tokenMadeAt: minutes(0) }) },
    changes: [],
  },
];

test.each(CASES)('$name', ({ observed, wanted, changes }) => {
  const plan = planMachine({ ...WANTED, ...wanted }, { ...settled(), ...observed }, FACTS);
  expect(summary(plan)).toEqual(changes);
});

test('without any disk known there is no volume and no pod, and it is said why', () => {
  const plan = planMachine({ ...WANTED, diskBytes: null }, NOTHING, FACTS);
  expect(summary(plan)).toEqual([`apply NetworkPolicy ${NAME}`]);
  expect(plan.waitsFor).toContain('which disks');
});

test('settings that change the pod change only the StatefulSet, and say that its pod is replaced', () => {
  const settings = settingsWith({ replicationServer: { image: 'lms/replication-server:2' } });
  const { changes } = planMachine(WANTED, settled(), { ...FACTS, settings });
  expect(changes).toMatchObject([{ kind: 'apply', resource: { kind: 'StatefulSet' }, replacesPod: true }]);
});

test('another storage class in the settings leaves volumes that exist as they are', () => {
  const settings = settingsWith({ storage: { className: 'other' } });
  expect(planMachine(WANTED, settled(), { ...FACTS, settings }).changes).toEqual([]);
});

test.each(['loadBalancer', 'nodePort'])('with %s each machine has an address of its own', (mode) => {
  const advertise = mode === 'nodePort' ? { advertise: { host: 'node.example' } } : {};
  const settings = settingsWith({ exposure: { mode, ...advertise } });
  const facts = { ...FACTS, settings };
  expect(summary(planMachine(WANTED, NOTHING, facts))).toContain(`apply Service ${NAME}-public`);
  expect(planMachine(WANTED, settled(facts), facts).changes).toEqual([]);
});

test('with a public and a private load balancer each machine has two, and one that is wanted no longer goes', () => {
  const privately = { annotations: { internal: 'true' } };
  const facts = {
    ...FACTS,
    settings: settingsWith({ exposure: { mode: 'loadBalancer', public: {}, private: privately } }),
  };
  const { changes } = planMachine(WANTED, NOTHING, facts);
  expect(changes).toEqual(
    expect.arrayContaining([
      expect.objectContaining({
        manifest: expect.objectContaining({
          metadata: expect.objectContaining({
            name: `${NAME}-private`,
            annotations: expect.objectContaining(privately.annotations),
          }),
          spec: expect.objectContaining({ type: 'LoadBalancer', externalTrafficPolicy: 'Local' }),
        }),
      }),
    ]),
  );
  expect(summary({ changes, waitsFor: null })).toContain(`apply Service ${NAME}-public`);
  const both = settled(facts);
  expect(planMachine(WANTED, both, facts).changes).toEqual([]);
  const one = { ...FACTS, settings: settingsWith({ exposure: { mode: 'loadBalancer', private: privately } }) };
  expect(summary(planMachine(WANTED, both, one))).toEqual([`delete Service ${NAME}-public`]);
});

test('a route of an earlier exposure is removed where the cluster has such routes', () => {
  const observed = { ...settled(), routes: [object('TLSRoute')] };
  const routeResource = tlsRoute('gateway.networking.k8s.io/v1');
  expect(summary(planMachine(WANTED, observed, { ...FACTS, routeResource }))).toEqual([`delete TLSRoute ${NAME}`]);
  expect(planMachine(WANTED, observed, FACTS).changes).toEqual([]);
});

test('a removal goes step by step: the pod, then what it used, the volume last', () => {
  const all = settled();
  expect(summary(planRemoval(all, FACTS))).toEqual([`delete StatefulSet ${NAME}`]);
  const withPod = { ...all, statefulSet: null };
  expect(planRemoval(withPod, FACTS)).toMatchObject({ changes: [], waitsFor: `its pod ${NAME}-0 to end` });
  expect(summary(planRemoval({ ...withPod, pod: null }, FACTS))).toEqual([
    `delete Service ${NAME}`,
    `delete Secret ${NAME}`,
    `delete NetworkPolicy ${NAME}`,
    `delete PersistentVolumeClaim ${NAME}`,
  ]);
});

test('what is on its way out is not deleted twice, and nothing is left to do for nothing', () => {
  expect(planRemoval({ ...NOTHING, claim: claim({ deleting: true }) }, FACTS).changes).toEqual([]);
  expect(planRemoval(NOTHING, FACTS)).toEqual({ changes: [], waitsFor: null });
});

test('a plan never deletes a volume claim, whatever is observed', () => {
  for (const { observed, wanted } of CASES) {
    const plan = planMachine({ ...WANTED, ...wanted }, { ...settled(), ...observed }, FACTS);
    expect(summary(plan).filter((line) => line.startsWith('delete PersistentVolumeClaim'))).toEqual([]);
  }
});
