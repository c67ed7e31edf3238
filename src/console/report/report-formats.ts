import type { ReportFormat } from '../console-api.ts';
import type { Report } from './report.ts';
import { reportHtml } from './report-html.ts';
import { reportText } from './report-text.ts';

export function formatReport(report: Report, format: ReportFormat): string {
  if (format === 'json') return `${JSON.stringify(report, null, 2)}\n`;
  return format === 'html' ? reportHtml(report) : reportText(report);
}
