/** R17: the agent can never hang its host. */
import type { Break } from '../break.ts';

const CORE = 'services/agent/src/core';

export const SAFETY_BREAKS: readonly Break[] = [
  {
    rule: 'R17',
    what: 'a freeze has no time limit',
    file: `${CORE}/guardian.ts`,
    from: "isFirst ? [{ type: 'startDeadline', milliseconds: limitMilliseconds }] : [];",
    to: "isFirst ? [{ type: 'stopDeadline' }] : [];",
    by: { seed: 71 },
  },
  {
    rule: 'R17',
    what: 'the limit of a freeze is ten times as long',
    file: `${CORE}/window.ts`,
    from: 'export const FREEZE_LIMIT_MILLISECONDS = 2000;',
    to: 'export const FREEZE_LIMIT_MILLISECONDS = 20_000;',
    by: { seed: 71 },
  },
  {
    rule: 'R17',
    what: 'the guardian does not thaw when the agent is gone',
    file: `${CORE}/guardian.ts`,
    from: `    case 'agentGone':
      return { type: 'agentGone' };`,
    to: '',
    by: { seed: 44 },
  },
  {
    rule: 'R17',
    what: 'staging may lie on the disk that is replicated',
    file: 'services/replication-server/src/core/same-boot.ts',
    from: 'if (hello.bootId !== location.bootId) return;',
    to: 'if (hello.bootId !== location.bootId || hello.disks.length > 0) return;',
    by: { seed: 15 },
  },
  {
    rule: 'R17',
    what: 'the agent writes its state while file systems are frozen',
    file: 'services/agent/src/state/write-gate.ts',
    from: `this.#tail = promise;
    await before;`,
    to: `this.#tail = promise;
    void before;`,
    by: { test: 'services/agent/src/state/write-gate.test.ts' },
  },
  {
    rule: 'R17',
    what: 'an attempt that fails leaves its file systems frozen',
    file: `${CORE}/window.ts`,
    from: '({ pauseMicroseconds, intact } = await parts.freezer.thaw());',
    to: 'if (!signal.aborted) ({ pauseMicroseconds, intact } = await parts.freezer.thaw());',
    by: { test: `${CORE}/points.test.ts` },
  },
];
