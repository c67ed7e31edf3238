/**
 * The first-start program for Windows before 8, which has no PowerShell or an old one: JScript 5.6 as XP's script host
 * runs it. It is the same text for every computer and takes its steps (`FirstStartStep[]`) from `settings.json` beside it:
 * ASCII, so that it is read alike in every code page, and a JScript expression, for XP has no JSON. Passwords reach
 * Windows as arguments of its own objects, never as words of a command line, which others may see and Windows may log.
 */
export const FIRST_START_JSCRIPT = String.raw`// TotalDeploy: run once by firststart.cmd, before anyone logs on.
var files = new ActiveXObject('Scripting.FileSystemObject');
var shell = new ActiveXObject('WScript.Shell');
var here = files.GetParentFolderName(WScript.ScriptFullName);
var RESTART_NEEDED = 3010;
var TRIES_MAX = 24;
var PAUSE_SECONDS = 5;
var failed = false;
var restart = false;
var logPath = logFile();

function folder(path) {
  if (!files.FolderExists(path)) files.CreateFolder(path);
  return path;
}

function logFile() {
  var base;
  try {
    base = shell.RegRead('HKLM\\SOFTWARE\\Microsoft\\Windows\\CurrentVersion\\Explorer\\Shell Folders\\Common AppData');
    return folder(folder(base) + '\\TotalDeploy') + '\\firststart.log';
  } catch (e) {
    return expand('%SystemRoot%\\Temp\\TotalDeploy-firststart.log');
  }
}

function two(number) {
  return (number < 10 ? '0' : '') + number;
}

function log(text) {
  var now = new Date();
  var day = now.getFullYear() + '-' + two(now.getMonth() + 1) + '-' + two(now.getDate());
  var time = two(now.getHours()) + ':' + two(now.getMinutes()) + ':' + two(now.getSeconds());
  try {
    var stream = files.OpenTextFile(logPath, 8, true, -1);
    stream.WriteLine(day + ' ' + time + ' ' + text);
    stream.Close();
  } catch (e) {}
}

function reason(error) {
  return (error.message || error.description || 'error') + ' (' + hex(error.number) + ')';
}

function hex(number) {
  return '0x' + (number < 0 ? number + 4294967296 : number || 0).toString(16);
}

// They are in memory alone from here on.
function takeSettings(path) {
  var stream = files.OpenTextFile(path, 1, false, 0);
  var text = stream.ReadAll();
  stream.Close();
  shell.Run('"%SystemRoot%\\System32\\fsutil.exe" file setzerodata offset=0 length=' + text.length + ' "' + path + '"', 0, true);
  files.DeleteFile(path, true);
  return eval('(' + text + ')');
}

function pause(seconds) {
  if (seconds > 0) WScript.Sleep(seconds * 1000);
}

function wmi() {
  return GetObject('winmgmts:{impersonationLevel=impersonate,authenticationLevel=pktPrivacy}!\\\\.\\root\\cimv2');
}

// This is run while the services of Windows are still being started.
function waitForServices() {
  for (var tries = 1; tries < TRIES_MAX; tries++) {
    try {
      return groupNameOf('S-1-5-32-544');
    } catch (e) {
      pause(PAUSE_SECONDS);
    }
  }
}

function groupNameOf(sid) {
  return wmi().Get("Win32_SID.SID='" + sid + "'").AccountName;
}

function each(collection, act) {
  for (var all = new Enumerator(collection); !all.atEnd(); all.moveNext()) act(all.item());
}

function doUser(step) {
  var computer = GetObject('WinNT://.,computer');
  var isNew = false;
  var user;
  try {
    user = computer.GetObject('user', step.name);
  } catch (e) {
    isNew = true;
    user = computer.Create('user', step.name);
  }
  if (isNew || step.password !== '') user.SetPassword(step.password);
  if (isNew) user.SetInfo();
  if (step.fullName !== '') user.FullName = step.fullName;
  user.AccountDisabled = false;
  user.SetInfo();
  var group = GetObject('WinNT://./' + groupNameOf(step.groupSid) + ',group');
  if (!group.IsMember(user.ADsPath)) group.Add(user.ADsPath);
  return isNew ? 'made' : 'changed';
}

function findCards(step) {
  var found = [];
  for (var i = 0; i < step.macs.length && !(step.firstOnly && found.length > 0); i++) {
    each(wmi().ExecQuery("SELECT * FROM Win32_NetworkAdapter WHERE MACAddress='" + step.macs[i] + "'"), function (card) {
      if (card.NetConnectionID) found.push(card);
    });
  }
  return step.firstOnly ? found.slice(0, 1) : found;
}

function waitForCards(step) {
  for (var tries = 1; ; tries++) {
    var cards = findCards(step);
    if (cards.length > 0) return cards;
    if (tries === TRIES_MAX) throw new Error('Windows knows no network card of ' + step.macs.join(', '));
    pause(PAUSE_SECONDS);
  }
}

function setSuffix(card, suffix) {
  each(wmi().ExecQuery('SELECT * FROM Win32_NetworkAdapterConfiguration WHERE Index=' + card.Index), function (settings) {
    shell.RegWrite('HKLM\\SYSTEM\\CurrentControlSet\\Services\\Tcpip\\Parameters\\Interfaces\\' + settings.SettingID + '\\Domain', suffix, 'REG_SZ');
  });
}

function doCard(step) {
  var cards = waitForCards(step);
  var problems = [];
  for (var i = 0; i < cards.length; i++) {
    var connection = '"' + cards[i].NetConnectionID + '"';
    if (step.dnsSuffix !== '') setSuffix(cards[i], step.dnsSuffix);
    for (var j = 0; j < step.netsh.length; j++) {
      var code = shell.Run('"%SystemRoot%\\System32\\netsh.exe" ' + step.netsh[j].split('{connection}').join(connection), 0, true);
      if (code !== 0) problems.push('netsh ' + step.netsh[j] + ' ended with ' + code);
    }
  }
  if (problems.length > 0) throw new Error(problems.join('; '));
  return 'set';
}

function joinOnce(step) {
  var code = -1;
  // Flags: join, make the account, also when it is in a domain already.
  each(wmi().ExecQuery('SELECT * FROM Win32_ComputerSystem'), function (computer) {
    code = computer.JoinDomainOrWorkgroup(step.domain, step.password, step.user, step.ou === '' ? null : step.ou, 35);
  });
  return code;
}

function doJoin(step) {
  for (var tries = 0; ; tries++) {
    var problem;
    try {
      var code = joinOnce(step);
      if (code === 0) {
        restart = true;
        return 'joined';
      }
      problem = 'Windows error ' + code;
    } catch (e) {
      problem = reason(e);
    }
    if (tries === step.waitSeconds.length) throw new Error(problem);
    log(step.text + ': ' + problem + '; trying again in ' + step.waitSeconds[tries] + ' s');
    pause(step.waitSeconds[tries]);
  }
}

// Path and arguments apart, or a % of one would be paired with one of the other. Wine's host leaves a terminator.
function expand(text) {
  return shell.ExpandEnvironmentStrings(text).replace(/\0$/, '');
}

function doRun(step) {
  var file = expand(step.file);
  try {
    shell.CurrentDirectory = files.GetParentFolderName(file);
  } catch (e) {}
  var line = '"' + file + '"' + (step.arguments === '' ? '' : ' ' + expand(step.arguments));
  var code = shell.Run(line, step.hidden ? 0 : 1, true);
  if (code === RESTART_NEEDED) restart = true;
  for (var i = 0; i < step.goodExitCodes.length; i++) if (step.goodExitCodes[i] === code) return 'done';
  if (step.goodExitCodes.length > 0) throw new Error('exit code ' + code);
  return 'exit code ' + code;
}

function doStep(step) {
  var acts = { user: doUser, card: doCard, run: doRun, join: doJoin };
  try {
    log(step.text + ': ' + acts[step.kind](step));
  } catch (e) {
    failed = true;
    log(step.text + ': failed: ' + reason(e));
  }
}

try {
  var steps = takeSettings(here + '\\settings.json');
  log('first start');
  waitForServices();
  for (var i = 0; i < steps.length; i++) doStep(steps[i]);
} catch (e) {
  failed = true;
  log('failed: ' + reason(e));
}
log(restart ? 'done; starting again' : 'done');
WScript.Quit(restart ? RESTART_NEEDED : failed ? 1 : 0);
`;
