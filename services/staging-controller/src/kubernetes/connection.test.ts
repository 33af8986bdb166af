import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { loadKubeConfig } from './connection.ts';

test('without a service account and without a kubeconfig it is said what is missing, not that a port is closed', async () => {
  const home = await mkdtemp(join(tmpdir(), 'lms-no-cluster-'));
  const { HOME, KUBECONFIG } = process.env;
  process.env['HOME'] = home;
  delete process.env['KUBECONFIG'];
  try {
    await expect(loadKubeConfig()).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: expect.stringContaining('no service account token'),
    });
  } finally {
    process.env['HOME'] = HOME;
    if (KUBECONFIG !== undefined) process.env['KUBECONFIG'] = KUBECONFIG;
    await rm(home, { recursive: true });
  }
});
