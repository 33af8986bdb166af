/** The raw disks of points in time: what they are, and their bytes, from any place on. */
import { DiskId, IdOrName, Problem, SequenceParameter } from '@lms/api';
import { z } from 'zod';
import { findDiskImage, imageHeaders } from '../export/disk-image.ts';
import { exportImage } from '../export/export-image.ts';
import type { Application } from '../http/application.ts';
import { requireMatch } from '../http/byte-range.ts';
import { callerSignal } from '../http/caller-signal.ts';
import { RangeHeaders, rangeOf } from '../http/ranges.ts';
import type { RouteContext } from './route-context.ts';

const PATH = '/v1/machines/:idOrName/points/:sequence/disks/:diskId/image';
const config = { access: 'operator' } as const;
const params = z.object({ idOrName: IdOrName, sequence: SequenceParameter, diskId: DiskId });
const headers = RangeHeaders.extend({
  'if-match': z.string().max(1_024).optional(),
});
const response = { '4xx': Problem, '5xx': Problem };

export function addImageRoutes(application: Application, context: RouteContext): void {
  const { clients, exchange, stopping, logger } = context;

  application.head(
    PATH,
    {
      config,
      schema: { summary: 'What the raw disk is: size, ETag, SHA-256 where it is known', params, headers, response },
    },
    async (request, reply) => {
      const image = await findDiskImage(clients, request.params);
      requireMatch(request.headers['if-match'], image.etag);
      reply.raw.writeHead(200, imageHeaders(image, null, null)).end();
      reply.hijack();
    },
  );

  application.get(
    PATH,
    {
      config,
      schema: {
        summary: 'The raw disk, as a stream; with Range the part from there on',
        description:
          'Content-Length says how much comes. The operation that the header lms-operation-id names tells, once it is over, ' +
          'the SHA-256 of the whole disk; so does the point, from then on.',
        params,
        headers,
        response,
      },
    },
    async (request, reply) => {
      const image = await findDiskImage(clients, request.params);
      requireMatch(request.headers['if-match'], image.etag);
      const range = rangeOf(request.headers, image, reply);
      const over = AbortSignal.any([callerSignal(reply), stopping]);
      try {
        await exportImage({ clients, exchange }, { image, range }, reply.raw, over);
      } catch (error) {
        // Until the first byte an error is a problem document; from then on the stream is cut off.
        if (!reply.raw.headersSent) throw error;
        logger.warn({ error }, 'an export was cut off');
      }
      reply.hijack();
    },
  );
}
