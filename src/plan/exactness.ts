/** What can be said of an answer, ordered from the best: docs/internals/exactness.md. A view is as exact as its weakest part. */
export type Exactness = 'exact' | 'float_aggregate' | 'text_order' | 'last_digit' | 'settings' | 'version';
