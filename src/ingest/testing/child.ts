/** An ingest in a process of its own, so that it can be killed for real: `node child.ts <options as JSON>`. Failpoints come through the environment. */
import { LogBounds } from '../../store/log/bounds.ts';
import { Ingest } from '../ingest.ts';
import { IngestProgress } from '../progress.ts';
import type { IngestOptions } from '../protocol.ts';

const options = JSON.parse(process.argv[2]!) as Omit<IngestOptions, 'progress' | 'bounds'>;
const ingest = new Ingest({ ...options, progress: new IngestProgress().buffer, bounds: new LogBounds().buffer });
// A parent that is gone must not leave this behind.
process.stdin.resume().on('end', () => process.exit(0));
setInterval(() => process.stdout.write(`${ingest.status().state}\n`), 20);
