/**
 * The part that Windows starts: it holds nothing of a customisation, so that there is nothing to quote. It undoes its own
 * start first, that a computer which dies on the way does not come back to it, and removes all files at the end
 * whatever happened. Batch files are read in the system's code page: ASCII alone.
 * @param options.startedBySetup by the values of `SYSTEM\Setup`; `options.engine` is a line that runs the program.
 */
export function firstStartBatch(options: { startedBySetup: boolean; engine: string }): string {
  return [
    '@echo off',
    'rem TotalDeploy finishes this computer once, before anyone logs on.',
    'setlocal',
    'set "SYS=%SystemRoot%\\System32"',
    ...(options.startedBySetup ? UNDO_SETUP : []),
    'title TotalDeploy',
    'echo TotalDeploy is finishing this computer. Please leave it switched on.',
    options.engine,
    'set "CODE=%ERRORLEVEL%"',
    // The program takes its settings away at once; they are still there when it could not start.
    'if not exist "%~dp0settings.json" goto :end',
    'echo The first-start program did not run: exit code %CODE% >>"%SystemRoot%\\Temp\\TotalDeploy-firststart.log"',
    'for %%F in ("%~dp0settings.json") do "%SYS%\\fsutil.exe" file setzerodata offset=0 length=%%~zF "%%~fF" >nul',
    'del /f /q "%~dp0settings.json"',
    ':end',
    'cd /d "%SystemRoot%"',
    // Setup that runs by an answer file starts the computer again by itself.
    ...(options.startedBySetup ? [RESTART] : []),
    // In one line, for the file it stands in goes away.
    'for %%D in ("%~dp0.") do rd /s /q "%%~fD" & exit 0',
    '',
  ].join('\r\n');
}

/** Of the program, when the computer has to start again: ERROR_SUCCESS_REBOOT_REQUIRED. */
const RESTART_EXIT_CODE = 3010;

const RESTART = `if "%CODE%"=="${RESTART_EXIT_CODE}" "%SYS%\\shutdown.exe" -r -f -t 0`;

const UNDO_SETUP = [
  '"%SYS%\\reg.exe" add HKLM\\SYSTEM\\Setup /v SetupType /t REG_DWORD /d 0 /f >nul',
  '"%SYS%\\reg.exe" add HKLM\\SYSTEM\\Setup /v CmdLine /t REG_SZ /d "" /f >nul',
];
