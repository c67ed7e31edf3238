/**
 * The first-start program for Windows 8 and later: Windows PowerShell 3.0 to 5.1. It does what `first-start-jscript.ts`
 * does, step by step in the same way, from the same `settings.json`; no value is ever part of its text.
 */
export const FIRST_START_POWERSHELL = String.raw`# TotalDeploy: run once by firststart.cmd, before anyone logs on.
$ErrorActionPreference = 'Stop'
$restartNeeded = 3010
$triesMax = 24
$pauseSeconds = 5
$script:failed = $false
$script:restart = $false

function Get-LogFile {
    try {
        $folder = Join-Path ([Environment]::GetFolderPath('CommonApplicationData')) 'TotalDeploy'
        $null = [IO.Directory]::CreateDirectory($folder)
        return Join-Path $folder 'firststart.log'
    } catch {
        return "$env:SystemRoot\Temp\TotalDeploy-firststart.log"
    }
}

function Write-Log([string]$text) {
    $time = (Get-Date).ToString('yyyy-MM-dd HH:mm:ss', [Globalization.CultureInfo]::InvariantCulture)
    try {
        [IO.File]::AppendAllText($script:logFile, $time + ' ' + $text + [Environment]::NewLine, [Text.Encoding]::Unicode)
    } catch { }
}

function Get-Reason($problem) {
    $cause = $problem.Exception.GetBaseException()
    return $cause.Message.Trim()
}

# They are in memory alone from here on.
function Get-Settings([string]$path) {
    $bytes = [IO.File]::ReadAllBytes($path)
    $stream = [IO.File]::Open($path, 'Open', 'Write')
    try {
        $stream.Write((New-Object byte[] $bytes.Length), 0, $bytes.Length)
        $stream.Flush($true)
    } finally {
        $stream.Dispose()
        [IO.File]::Delete($path)
    }
    return ConvertFrom-Json ([Text.Encoding]::ASCII.GetString($bytes))
}

# This is run while the services of Windows are still being started.
function Wait-Service {
    for ($tries = 1; $tries -lt $triesMax; $tries++) {
        try {
            $null = Get-WmiObject Win32_ComputerSystem
            return
        } catch {
            Start-Sleep -Seconds $pauseSeconds
        }
    }
}

function Invoke-User($step) {
    $computer = [ADSI]'WinNT://.,computer'
    $isNew = $false
    try {
        $user = $computer.PSBase.Children.Find($step.name, 'user')
    } catch {
        $isNew = $true
        $user = $computer.PSBase.Children.Add($step.name, 'user')
    }
    if ($isNew -or $step.password -cne '') { $null = $user.PSBase.Invoke('SetPassword', $step.password) }
    if ($isNew) { $user.PSBase.CommitChanges() }
    if ($step.fullName -cne '') { $user.PSBase.InvokeSet('FullName', $step.fullName) }
    $user.PSBase.InvokeSet('AccountDisabled', $false)
    $user.PSBase.CommitChanges()
    $account = (New-Object Security.Principal.SecurityIdentifier $step.groupSid).Translate([Security.Principal.NTAccount])
    $groupName = $account.Value.Split('\')[-1]
    $group = [ADSI]('WinNT://./' + $groupName + ',group')
    $path = $user.PSBase.Path
    if (-not $group.PSBase.Invoke('IsMember', $path)) { $null = $group.PSBase.Invoke('Add', $path) }
    if ($isNew) { return 'made' } else { return 'changed' }
}

function Find-Card($step) {
    $found = @()
    foreach ($mac in $step.macs) {
        $found += @(Get-WmiObject Win32_NetworkAdapter -Filter ("MACAddress='" + $mac + "'") | Where-Object { $_.NetConnectionID })
        if ($step.firstOnly -and $found.Count -gt 0) { return $found[0] }
    }
    return $found
}

function Wait-Card($step) {
    for ($tries = 1; ; $tries++) {
        $cards = @(Find-Card $step)
        if ($cards.Count -gt 0) { return $cards }
        if ($tries -eq $triesMax) { throw ('Windows knows no network card of ' + ($step.macs -join ', ')) }
        Start-Sleep -Seconds $pauseSeconds
    }
}

function Start-AndWait([string]$file, [string]$arguments, [bool]$hidden) {
    $start = New-Object Diagnostics.ProcessStartInfo
    $start.FileName = [Environment]::ExpandEnvironmentVariables($file)
    $start.Arguments = [Environment]::ExpandEnvironmentVariables($arguments)
    $start.UseShellExecute = $true
    if ($hidden) { $start.WindowStyle = 'Hidden' }
    try { $start.WorkingDirectory = [IO.Path]::GetDirectoryName($start.FileName) } catch { }
    $process = [Diagnostics.Process]::Start($start)
    # A document may be shown by a program that runs already.
    if ($null -eq $process) { return 0 }
    $process.WaitForExit()
    return $process.ExitCode
}

function Invoke-Card($step) {
    $problems = @()
    foreach ($card in @(Wait-Card $step)) {
        if ($step.dnsSuffix -cne '') {
            $key = 'HKLM:\SYSTEM\CurrentControlSet\Services\Tcpip\Parameters\Interfaces\' + $card.GUID
            Set-ItemProperty -LiteralPath $key -Name Domain -Value $step.dnsSuffix -Type String
        }
        foreach ($line in $step.netsh) {
            $command = $line.Replace('{connection}', '"' + $card.NetConnectionID + '"')
            $code = Start-AndWait '%SystemRoot%\System32\netsh.exe' $command $true
            if ($code -ne 0) { $problems += 'netsh ' + $line + ' ended with ' + $code }
        }
    }
    if ($problems.Count -gt 0) { throw ($problems -join '; ') }
    return 'set'
}

function Invoke-Join($step) {
    $ou = $null
    if ($step.ou -cne '') { $ou = $step.ou }
    for ($tries = 0; ; $tries++) {
        try {
            $computer = Get-WmiObject Win32_ComputerSystem -Authentication PacketPrivacy
            # Flags: join, make the account, also when it is in a domain already.
            $code = $computer.JoinDomainOrWorkgroup($step.domain, $step.password, $step.user, $ou, 35).ReturnValue
            if ($code -eq 0) {
                $script:restart = $true
                return 'joined'
            }
            $problem = 'Windows error ' + $code
        } catch {
            $problem = Get-Reason $_
        }
        if ($tries -eq $step.waitSeconds.Count) { throw $problem }
        $pause = $step.waitSeconds[$tries]
        Write-Log ($step.text + ': ' + $problem + '; trying again in ' + $pause + ' s')
        Start-Sleep -Seconds $pause
    }
}

function Invoke-Run($step) {
    $code = Start-AndWait $step.file $step.arguments $step.hidden
    if ($code -eq $restartNeeded) { $script:restart = $true }
    if ($step.goodExitCodes.Count -eq 0) { return 'exit code ' + $code }
    if ($step.goodExitCodes -contains $code) { return 'done' }
    throw ('exit code ' + $code)
}

function Invoke-Step($step) {
    try {
        $outcome = switch ($step.kind) {
            'user' { Invoke-User $step }
            'card' { Invoke-Card $step }
            'run' { Invoke-Run $step }
            'join' { Invoke-Join $step }
        }
        Write-Log ($step.text + ': ' + $outcome)
    } catch {
        $script:failed = $true
        Write-Log ($step.text + ': failed: ' + (Get-Reason $_))
    }
}

$script:logFile = Get-LogFile
try {
    $steps = Get-Settings ($env:SystemRoot + '\TotalDeploy\settings.json')
    Write-Log 'first start'
    Wait-Service
    foreach ($step in $steps) { Invoke-Step $step }
} catch {
    $script:failed = $true
    Write-Log ('failed: ' + (Get-Reason $_))
}
if ($script:restart) { Write-Log 'done; starting again' } else { Write-Log 'done' }
if ($script:restart) { exit $restartNeeded }
if ($script:failed) { exit 1 }
exit 0
`;
