/**
 * The guardian's decisions: when to freeze, and above all when to thaw (R17). Pure: events in, actions out. The guardian
 * process carries the actions out; the simulation runs the same machine.
 *
 *     idle ──freeze──► freezing ──last mount frozen──► frozen
 *                         │                              │
 *                         └──────── thaw asked, agent gone, deadline, a mount fails ──┐
 *                                                                                     ▼
 *     idle ◄──────────── nothing frozen and nothing under way any more ─────────── thawing
 *
 * Mounts are numbers, in the order in which they are frozen: children before parents. They are thawed all at once,
 * parents first: a child on a loop file of a frozen parent cannot be thawed before it.
 * Special cases: a FIFREEZE that is under way cannot be undone before it returns, so its mount is thawed then; the
 * time limit starts when the *first* mount is frozen, since its writers wait from then on.
 * Failure: whatever is doubtful thaws. Only what this guardian froze is thawed: a mount that was frozen by somebody
 * else (EBUSY) fails the attempt and is left alone.
 */
export type GuardianEvent =
  | { readonly type: 'freeze'; readonly mountCount: number; readonly limitMilliseconds: number }
  | { readonly type: 'mountFrozen'; readonly mount: number }
  | { readonly type: 'mountFailed'; readonly mount: number; readonly reason: string }
  /** Its type of file system knows no freezing (vfat, FUSE): it is passed over, and said so. */
  | { readonly type: 'mountUnfreezable'; readonly mount: number }
  /** `wasFrozen` is false when somebody had thawed it before us. */
  | { readonly type: 'mountThawed'; readonly mount: number; readonly wasFrozen: boolean }
  | { readonly type: 'thaw' }
  | { readonly type: 'deadline' }
  | { readonly type: 'agentGone' };

export type GuardianAction =
  | { readonly type: 'freezeMount'; readonly mount: number }
  | { readonly type: 'thawMount'; readonly mount: number }
  | { readonly type: 'startDeadline'; readonly milliseconds: number }
  | { readonly type: 'stopDeadline' }
  | { readonly type: 'report'; readonly report: GuardianReport }
  | { readonly type: 'exit' };

export type GuardianReport =
  | { readonly type: 'frozen'; readonly unfreezable: readonly number[] }
  | { readonly type: 'freezeFailed'; readonly reason: string }
  /** `intact`: everything stayed frozen until the agent asked for the thaw. */
  | { readonly type: 'thawed'; readonly intact: boolean };

/** Why the thaw began. */
type ThawCause =
  { readonly type: 'asked' | 'deadline' | 'agentGone' } | { readonly type: 'failed'; readonly reason: string };

export type GuardianState =
  | { readonly type: 'idle' }
  | {
      readonly type: 'freezing';
      readonly mountCount: number;
      readonly limitMilliseconds: number;
      /** Being frozen now; all below it are frozen or cannot be. */
      readonly current: number;
      readonly unfreezable: readonly number[];
    }
  | { readonly type: 'frozen'; readonly mounts: readonly number[] }
  | {
      readonly type: 'thawing';
      readonly cause: ThawCause;
      /** Its FIFREEZE has not returned. */
      readonly freezing: number | null;
      readonly thawing: ReadonlySet<number>;
      readonly allWereFrozen: boolean;
      readonly agentGone: boolean;
    }
  | { readonly type: 'ended' };

export interface GuardianStep {
  readonly state: GuardianState;
  readonly actions: readonly GuardianAction[];
}

export const INITIAL_GUARDIAN_STATE: GuardianState = { type: 'idle' };

export function advanceGuardian(state: GuardianState, event: GuardianEvent): GuardianStep {
  switch (state.type) {
    case 'idle':
      return advanceIdle(state, event);
    case 'freezing':
      return advanceFreezing(state, event);
    case 'frozen':
      return advanceFrozen(state, event);
    case 'thawing':
      return advanceThawing(state, event);
    case 'ended':
      return { state, actions: [] };
  }
}

function advanceIdle(state: GuardianState & { type: 'idle' }, event: GuardianEvent): GuardianStep {
  switch (event.type) {
    case 'freeze': {
      const { mountCount, limitMilliseconds } = event;
      return freezeNext({ type: 'freezing', mountCount, limitMilliseconds, current: 0, unfreezable: [] }, []);
    }
    case 'thaw': // after an early thaw; the agent learns that its window is void
      return { state: INITIAL_GUARDIAN_STATE, actions: [report({ type: 'thawed', intact: false })] };
    case 'agentGone':
      return { state: { type: 'ended' }, actions: [{ type: 'exit' }] };
    default:
      return { state, actions: [] };
  }
}

function advanceFreezing(state: GuardianState & { type: 'freezing' }, event: GuardianEvent): GuardianStep {
  const { current, mountCount, limitMilliseconds, unfreezable } = state;
  switch (event.type) {
    case 'mountFrozen': {
      const isFirst = frozenMounts(current, unfreezable).length === 0;
      const deadline: GuardianAction[] = isFirst ? [{ type: 'startDeadline', milliseconds: limitMilliseconds }] : [];
      return freezeNext({ ...state, current: current + 1 }, deadline);
    }
    case 'mountUnfreezable':
      return freezeNext({ ...state, current: current + 1, unfreezable: [...unfreezable, event.mount] }, []);
    case 'mountFailed':
      return beginThaw({ type: 'failed', reason: event.reason }, frozenMounts(current, unfreezable), null);
    case 'deadline': {
      const reason = `freezing ${mountCount} file systems took longer than ${limitMilliseconds} ms`;
      return beginThaw({ type: 'failed', reason }, frozenMounts(current, unfreezable), current);
    }
    default: {
      const cause = thawCause(event);
      if (cause === null) return { state, actions: [] };
      return beginThaw(cause, frozenMounts(current, unfreezable), current);
    }
  }
}

function freezeNext(state: GuardianState & { type: 'freezing' }, actions: readonly GuardianAction[]): GuardianStep {
  const { current, mountCount, unfreezable } = state;
  if (current < mountCount) return { state, actions: [...actions, { type: 'freezeMount', mount: current }] };
  return {
    state: { type: 'frozen', mounts: frozenMounts(mountCount, unfreezable) },
    actions: [...actions, report({ type: 'frozen', unfreezable })],
  };
}

function frozenMounts(end: number, unfreezable: readonly number[]): number[] {
  return Array.from({ length: end }, (_, mount) => mount).filter((mount) => !unfreezable.includes(mount));
}

function advanceFrozen(state: GuardianState & { type: 'frozen' }, event: GuardianEvent): GuardianStep {
  const cause = thawCause(event);
  return cause === null ? { state, actions: [] } : beginThaw(cause, state.mounts, null);
}

function advanceThawing(state: GuardianState & { type: 'thawing' }, event: GuardianEvent): GuardianStep {
  switch (event.type) {
    case 'mountFrozen': {
      const thawing = new Set(state.thawing).add(event.mount);
      return { state: { ...state, freezing: null, thawing }, actions: [{ type: 'thawMount', mount: event.mount }] };
    }
    case 'mountFailed':
    case 'mountUnfreezable':
      return endThawIfDone({ ...state, freezing: null });
    case 'mountThawed': {
      const thawing = new Set(state.thawing);
      thawing.delete(event.mount);
      return endThawIfDone({ ...state, thawing, allWereFrozen: state.allWereFrozen && event.wasFrozen });
    }
    case 'agentGone':
      return { state: { ...state, agentGone: true }, actions: [] };
    case 'thaw': // asked while an early thaw is under way: answered at its end, as not intact
      return state.cause.type === 'deadline'
        ? { state: { ...state, cause: { type: 'asked' }, allWereFrozen: false }, actions: [] }
        : { state, actions: [] };
    default:
      return { state, actions: [] };
  }
}

/** Thaws the parents (the last ones) first. */
function beginThaw(cause: ThawCause, frozen: readonly number[], freezing: number | null): GuardianStep {
  const mounts = frozen.toReversed();
  const step = endThawIfDone({
    type: 'thawing',
    cause,
    freezing,
    thawing: new Set(mounts),
    // What was not yet frozen when the thaw was asked for never was intact.
    allWereFrozen: freezing === null,
    agentGone: cause.type === 'agentGone',
  });
  const thaws = mounts.map((mount): GuardianAction => ({ type: 'thawMount', mount }));
  return { state: step.state, actions: [...thaws, { type: 'stopDeadline' }, ...step.actions] };
}

function endThawIfDone(state: GuardianState & { type: 'thawing' }): GuardianStep {
  if (state.freezing !== null || state.thawing.size > 0) return { state, actions: [] };
  if (state.agentGone) return { state: { type: 'ended' }, actions: [{ type: 'exit' }] };
  switch (state.cause.type) {
    case 'asked':
      return {
        state: INITIAL_GUARDIAN_STATE,
        actions: [report({ type: 'thawed', intact: state.allWereFrozen })],
      };
    case 'failed':
      return {
        state: INITIAL_GUARDIAN_STATE,
        actions: [report({ type: 'freezeFailed', reason: state.cause.reason })],
      };
    default: // the agent asks for the thaw later, and is told then
      return { state: INITIAL_GUARDIAN_STATE, actions: [] };
  }
}

function thawCause(event: GuardianEvent): ThawCause | null {
  switch (event.type) {
    case 'thaw':
      return { type: 'asked' };
    case 'deadline':
      return { type: 'deadline' };
    case 'agentGone':
      return { type: 'agentGone' };
    default:
      return null;
  }
}

function report(value: GuardianReport): GuardianAction {
  return { type: 'report', report: value };
}
