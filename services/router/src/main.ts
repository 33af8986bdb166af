import { withHealthPort } from '@lms/rpc';
import { runMain } from '@lms/service';
import { readRouterConfiguration } from './config.ts';
import { createRouterService } from './service.ts';

await runMain('router', () => withHealthPort(createRouterService(readRouterConfiguration())));
