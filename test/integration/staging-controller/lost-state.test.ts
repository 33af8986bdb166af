// JetStream is lost altogether: the manager is whole again by what agents and replication servers say, and replication
// has not stopped meanwhile.

import { expect, test } from '@jest/globals';
import { StagingArea } from '../harness/staging-area.ts';
import { until } from '../harness/until.ts';

const TEST_MILLISECONDS = 120_000;

test(
  'a session goes on over the loss of all state, and its machine is assigned again once its agent was heard',
  async () => {
    await using area = await StagingArea.prepare();
    await area.start();
    await using agent = await area.enrol();
    await area.waitForStep(agent.machineId, 'AUTHENTICATE_WITH_SERVICE', 'SUCCEEDED');
    await until('the replication server has taken the machine', async () => {
      await agent.connect();
      return true;
    });
    await agent.sendData();
    await agent.mark(1);
    await area.loseState();
    const { blockStream } = await until('the agent is known again', async () => {
      const answer = await agent.heartbeat();
      return answer.blockStream !== null && answer;
    });
    expect(blockStream?.serverName).toBe(`${agent.machineId}.block-stream.lms.internal`);
    // Its steps are seen anew, from what goes on: the session of before.
    await area.waitForStep(agent.machineId, 'START_DATA_TRANSFER', 'SUCCEEDED');
    await agent.sendData();
    await agent.mark(2);
  },
  TEST_MILLISECONDS,
);
