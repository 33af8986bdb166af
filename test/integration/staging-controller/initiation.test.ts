// Each initiation step fails for real, says why, and succeeds once the cause is gone.

import { expect, test } from '@jest/globals';
import { createServer } from 'node:net';
import { once } from 'node:events';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ReplicationState, StallCause, wordOf } from '@lms/proto';
import { StagingArea, type StepWord } from '../harness/staging-area.ts';
import { until } from '../harness/until.ts';

const TEST_MILLISECONDS = 120_000;

/** What stats-ingest makes of it: the step that failed is why the machine does not replicate. */
async function expectStall(area: StagingArea, machineId: string, step: StepWord): Promise<void> {
  await until(`stats-ingest knows that ${step} failed`, async () => {
    const { statuses } = await area.statistics.getMachineStatuses({ machineIds: [machineId] });
    const [status] = statuses;
    if (status === undefined) return false;
    const cause = wordOf(StallCause, status.stallCause);
    return wordOf(ReplicationState, status.state) === 'STALLED' && cause === `FAILED_TO_${step}`;
  });
}

test(
  'CREATE_STAGING_DISKS fails when the folder for them cannot be made',
  async () => {
    await using area = await StagingArea.prepare();
    await writeFile(area.dataDirectory, 'a file where a folder should be');
    await area.start();
    await using agent = await area.enrol();
    await area.waitForStep(agent.machineId, 'CREATE_STAGING_DISKS', 'FAILED', area.dataDirectory);
    await expectStall(area, agent.machineId, 'CREATE_STAGING_DISKS');
    await rm(area.dataDirectory);
    await area.waitForStep(agent.machineId, 'AUTHENTICATE_WITH_SERVICE', 'SUCCEEDED');
    await agent.connect();
    await area.waitForStep(agent.machineId, 'CREATE_STAGING_DISKS', 'SUCCEEDED');
  },
  TEST_MILLISECONDS,
);

test(
  'LAUNCH_REPLICATION_SERVER fails while its port is in use, and is tried again by itself',
  async () => {
    const occupant = createServer().listen(0, '127.0.0.1');
    await once(occupant, 'listening');
    const address = occupant.address();
    if (address === null || typeof address === 'string') throw new Error('no port');
    await using area = await StagingArea.prepare({ blockStreamListen: `127.0.0.1:${address.port}` });
    await area.start();
    await using agent = await area.enrol();
    await area.waitForStep(agent.machineId, 'LAUNCH_REPLICATION_SERVER', 'FAILED', String(address.port));
    await expectStall(area, agent.machineId, 'LAUNCH_REPLICATION_SERVER');
    await until('a second attempt', async () => {
      const { attempt } = await area.step(agent.machineId, 'LAUNCH_REPLICATION_SERVER');
      return attempt >= 2;
    });
    occupant.close();
    await once(occupant, 'close');
    await area.waitForStep(agent.machineId, 'LAUNCH_REPLICATION_SERVER', 'SUCCEEDED');
  },
  TEST_MILLISECONDS,
);

test(
  'AUTHENTICATE_WITH_SERVICE fails with a token that the manager does not know, and a new one is made',
  async () => {
    await using area = await StagingArea.prepare();
    await mkdir(area.dataDirectory);
    const nobodys = Buffer.alloc(32, 7).toString('base64url');
    await writeFile(join(area.dataDirectory, 'bootstrap-token'), nobodys, { mode: 0o600 });
    await area.start();
    await using agent = await area.enrol();
    const failed = await area.waitForStep(agent.machineId, 'AUTHENTICATE_WITH_SERVICE', 'FAILED', 'token');
    expect(failed.error).not.toContain(nobodys);
    await area.waitForStep(agent.machineId, 'AUTHENTICATE_WITH_SERVICE', 'SUCCEEDED');
  },
  TEST_MILLISECONDS,
);

test(
  'pairing, connecting and sending data each fail when the agent does not do its part, and succeed when it does',
  async () => {
    await using area = await StagingArea.prepare();
    await area.start();
    await using agent = await area.enrol();
    const { machineId } = agent;
    expect((await area.step(machineId, 'CREATE_NETWORK_POLICY')).state).toBe('SKIPPED');

    await area.waitForStep(machineId, 'PAIR_REPLICATION_SERVER_WITH_AGENT', 'FAILED', 'lms-agent run');
    await expectStall(area, machineId, 'PAIR_REPLICATION_SERVER_WITH_AGENT');
    await agent.heartbeat();
    await area.waitForStep(machineId, 'PAIR_REPLICATION_SERVER_WITH_AGENT', 'SUCCEEDED');

    await area.waitForStep(machineId, 'CONNECT_AGENT_TO_REPLICATION_SERVER', 'FAILED', 'TCP port');
    await agent.report('connection to 192.0.2.1:1500 refused');
    await until('the reason of the agent is shown', async () => {
      const { error } = await area.step(machineId, 'CONNECT_AGENT_TO_REPLICATION_SERVER');
      return error === 'connection to 192.0.2.1:1500 refused';
    });
    await expectStall(area, machineId, 'CONNECT_AGENT_TO_REPLICATION_SERVER');
    await agent.connect();
    await area.waitForStep(machineId, 'CONNECT_AGENT_TO_REPLICATION_SERVER', 'SUCCEEDED');

    await area.waitForStep(machineId, 'START_DATA_TRANSFER', 'FAILED');
    await expectStall(area, machineId, 'START_DATA_TRANSFER');
    await agent.sendData();
    await area.waitForStep(machineId, 'START_DATA_TRANSFER', 'SUCCEEDED');
  },
  TEST_MILLISECONDS,
);
