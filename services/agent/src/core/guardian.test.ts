import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import {
  INITIAL_GUARDIAN_STATE,
  advanceGuardian,
  type GuardianAction,
  type GuardianEvent,
  type GuardianReport,
  type GuardianState,
} from './guardian.ts';

/** A world of mounts that the machine's actions act upon; what is under way ends when the test says so. */
class World {
  state: GuardianState = INITIAL_GUARDIAN_STATE;
  readonly frozen = new Set<number>();
  readonly freezing = new Set<number>();
  readonly thawing = new Set<number>();
  readonly reports: GuardianReport[] = [];
  readonly thawOrder: number[] = [];
  deadlineSet = false;
  deadlinePassed = false;
  exited = false;

  send(event: GuardianEvent): void {
    const { state, actions } = advanceGuardian(this.state, event);
    this.state = state;
    for (const action of actions) this.#perform(action);
  }

  #perform(action: GuardianAction): void {
    switch (action.type) {
      case 'freezeMount':
        expect(this.exited).toBe(false);
        this.freezing.add(action.mount);
        return;
      case 'thawMount':
        this.thawing.add(action.mount);
        this.thawOrder.push(action.mount);
        return;
      case 'startDeadline':
        this.deadlineSet = true;
        return;
      case 'stopDeadline':
        this.deadlineSet = false;
        return;
      case 'report':
        this.reports.push(action.report);
        return;
      case 'exit':
        this.exited = true;
        return;
    }
  }

  endFreeze(mount: number, outcome: 'frozen' | 'failed' | 'unfreezable'): void {
    this.freezing.delete(mount);
    if (outcome === 'frozen') {
      this.frozen.add(mount);
      this.send({ type: 'mountFrozen', mount });
    } else if (outcome === 'failed') this.send({ type: 'mountFailed', mount, reason: 'EBUSY' });
    else this.send({ type: 'mountUnfreezable', mount });
  }

  passDeadline(): void {
    this.deadlinePassed = true;
    this.deadlineSet = false;
    this.send({ type: 'deadline' });
  }

  /** All that is under way ends. */
  settle(): void {
    while (this.freezing.size + this.thawing.size > 0) {
      for (const mount of [...this.freezing]) this.endFreeze(mount, 'frozen');
      for (const mount of [...this.thawing]) this.endThaw(mount);
    }
  }

  endThaw(mount: number): void {
    this.thawing.delete(mount);
    this.send({ type: 'mountThawed', mount, wasFrozen: this.frozen.delete(mount) });
  }
}

function freeze(mountCount: number): World {
  const world = new World();
  world.send({ type: 'freeze', mountCount, limitMilliseconds: 2000 });
  return world;
}

test('children are frozen before parents, one after the other, and thawed parents first', () => {
  const world = freeze(3);
  for (let mount = 0; mount < 3; mount++) {
    expect([...world.freezing]).toEqual([mount]);
    world.endFreeze(mount, 'frozen');
  }
  expect(world.reports).toEqual([{ type: 'frozen', unfreezable: [] }]);
  world.send({ type: 'thaw' });
  expect(world.thawOrder).toEqual([2, 1, 0]);
  for (const mount of [...world.thawing]) world.endThaw(mount);
  expect(world.reports.at(-1)).toEqual({ type: 'thawed', intact: true });
});

test('the time limit starts with the first mount that is frozen, not with the last', () => {
  const world = freeze(3);
  expect(world.deadlineSet).toBe(false);
  world.endFreeze(0, 'unfreezable');
  expect(world.deadlineSet).toBe(false);
  world.endFreeze(1, 'frozen');
  expect(world.deadlineSet).toBe(true);
});

test('a mount that somebody else froze fails the attempt and is not thawed', () => {
  const world = freeze(2);
  world.endFreeze(0, 'frozen');
  world.endFreeze(1, 'failed');
  expect(world.thawOrder).toEqual([0]);
  world.endThaw(0);
  expect(world.reports).toEqual([{ type: 'freezeFailed', reason: 'EBUSY' }]);
});

test('a mount that knows no freeze is passed over and named', () => {
  const world = freeze(2);
  world.endFreeze(0, 'unfreezable');
  world.endFreeze(1, 'frozen');
  expect(world.reports).toEqual([{ type: 'frozen', unfreezable: [0] }]);
  world.send({ type: 'thaw' });
  expect(world.thawOrder).toEqual([1]);
});

test('after the deadline the thaw that the agent asks for is answered as not intact', () => {
  const world = freeze(1);
  world.endFreeze(0, 'frozen');
  world.send({ type: 'deadline' });
  world.send({ type: 'thaw' });
  expect(world.reports.length).toBe(1);
  world.endThaw(0);
  expect(world.reports.at(-1)).toEqual({ type: 'thawed', intact: false });

  const later = freeze(1);
  later.endFreeze(0, 'frozen');
  later.send({ type: 'deadline' });
  later.endThaw(0);
  later.send({ type: 'thaw' });
  expect(later.reports.at(-1)).toEqual({ type: 'thawed', intact: false });
});

test('a mount that somebody thawed before us makes the window void', () => {
  const world = freeze(1);
  world.endFreeze(0, 'frozen');
  world.frozen.clear();
  world.send({ type: 'thaw' });
  world.endThaw(0);
  expect(world.reports.at(-1)).toEqual({ type: 'thawed', intact: false });
});

test('a freeze that returns after the agent has gone is thawed, and only then the guardian ends', () => {
  const world = freeze(2);
  world.endFreeze(0, 'frozen');
  world.send({ type: 'agentGone' });
  expect(world.exited).toBe(false);
  world.endThaw(0);
  expect(world.exited).toBe(false);
  world.endFreeze(1, 'frozen');
  world.endThaw(1);
  expect(world.exited).toBe(true);
});

test('whatever happens in whatever order, nothing stays frozen and every question is answered', () => {
  const stepArbitrary = fc.oneof(
    fc.constant('frozen' as const),
    fc.constant('failed' as const),
    fc.constant('unfreezable' as const),
    fc.constant('thawed' as const),
    fc.constant('deadline' as const),
    fc.constant('thaw' as const),
    fc.constant('agentGone' as const),
  );
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 4 }), fc.array(stepArbitrary, { maxLength: 20 }), (mountCount, steps) => {
      const world = freeze(mountCount);
      let thawAsked = false;
      for (const step of steps) {
        const [freezing] = world.freezing;
        const [thawing] = world.thawing;
        if (step === 'thawed') {
          if (thawing !== undefined) world.endThaw(thawing);
        } else if (step === 'deadline') {
          if (world.deadlineSet) world.passDeadline();
        } else if (step === 'thaw') {
          if (!thawAsked) world.send({ type: 'thaw' });
          thawAsked = true;
        } else if (step === 'agentGone') world.send({ type: 'agentGone' });
        else if (freezing !== undefined) world.endFreeze(freezing, step);
      }
      world.settle();
      if (!steps.includes('agentGone')) {
        const last = world.reports.at(-1)?.type;
        if (thawAsked) expect(['thawed', 'freezeFailed']).toContain(last);
        else if (world.deadlinePassed) expect(['frozen', 'freezeFailed']).toContain(last);
        else expect(last).toBeDefined();
      }
      world.send({ type: 'agentGone' });
      world.settle();
      expect([...world.frozen]).toEqual([]);
      expect(world.exited).toBe(true);
    }),
  );
});
