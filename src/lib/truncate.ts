export { truncate as shortened, truncateFields as shortenedFields } from './text.ts';
