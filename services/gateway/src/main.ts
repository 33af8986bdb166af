import { withHealthPort } from '@lms/rpc';
import { runMain } from '@lms/service';
import { readGatewayConfiguration } from './config.ts';
import { createGatewayService } from './service.ts';

await runMain('gateway', () => withHealthPort(createGatewayService(readGatewayConfiguration())));
