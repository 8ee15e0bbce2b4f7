/** A running view as reads, subscriptions and audits see it. */
import type { Arrangement } from '../../dataflow/arrangement/arrangement.ts';
import type { Dataflow } from '../../dataflow/dataflow.ts';
import type { ViewError } from '../../dataflow/graph/error-set.ts';
import { Listener, type Observer } from '../../dataflow/graph/observer.ts';

export interface LiveView {
  readonly object: string;
  readonly columnCount: number;
  /** Its rows, counted; not to be read across steps. */
  readonly output: Arrangement;
  /** Of its rows and of the views below it: while there are any it has no value. */
  errors(): ViewError[];
  fault(): string | null;
  listen(): Listener;
  /** What it returns ends it. */
  observe(observer: Observer): () => void;
}

export function liveView(dataflow: Dataflow, object: string): LiveView {
  return {
    object,
    columnCount: dataflow.columns(object).length,
    output: dataflow.output(object),
    errors: () => dataflow.errors(object),
    fault: () => dataflow.fault(object),
    listen: () => new Listener(dataflow.output(object).layout, dataflow.observers(object)),
    observe: (observer) => {
      const observers = dataflow.observers(object);
      observers.add(observer);
      return () => observers.delete(observer);
    },
  };
}
