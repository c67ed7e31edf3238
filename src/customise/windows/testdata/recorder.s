# A Windows program in one section of its own making: appends its command line to C:\calls.txt (UTF-16, one a line).
# Its exit code is 7 when the command line ends in 7, else 0.
        .intel_syntax noprefix
        .set BASE, 0x140000000
        .set RVA, 0x1000 - 0x200
mz:     .ascii "MZ"
        .org 0x3c
        .long pe - mz
pe:     .ascii "PE\0\0"
        .short 0x8664, 1
        .long 0, 0, 0
        .short section - optional, 0x22
optional:
        .short 0x20b
        .byte 14, 0
        .long 0x1000, 0, 0, start - mz + RVA, 0x1000
        .quad BASE
        .long 0x1000, 0x200
        .short 6, 0, 0, 0, 6, 0
        .long 0, 0x2000, 0x200, 0
        .short 3, 0
        .quad 0x100000, 0x1000, 0x100000, 0x1000
        .long 0, 16
        .long 0, 0, imports - mz + RVA, importsEnd - imports
        .fill 14, 8, 0
section:
        .ascii ".text\0\0\0"
        .long 0x1000, 0x1000, 0x600, 0x200, 0, 0, 0, 0xe0000020
        .org 0x200
start:  sub rsp, 0x58
        call [rip + getCommandLine]
        mov rbx, rax
        mov rcx, rax
        call [rip + lstrlen]
        mov esi, eax
        lea rcx, [rip + path]
        mov edx, 4                      # FILE_APPEND_DATA
        mov r8d, 3
        xor r9d, r9d
        mov qword ptr [rsp + 0x20], 4   # OPEN_ALWAYS
        mov qword ptr [rsp + 0x28], 0x80
        mov qword ptr [rsp + 0x30], 0
        call [rip + createFile]
        mov rdi, rax
        mov rdx, rbx
        lea r8d, [esi * 2]
        call write
        lea rdx, [rip + newline]
        mov r8d, 4
        call write
        xor ecx, ecx
        mov eax, esi
        cmp word ptr [rbx + rax * 2 - 2], 0x37
        sete cl
        imul ecx, ecx, 7
        call [rip + exitProcess]
write:  mov rcx, rdi
        lea r9, [rsp + 0x48]
        mov qword ptr [rsp + 0x28], 0
        sub rsp, 0x38
        mov qword ptr [rsp + 0x20], 0
        call [rip + writeFile]
        add rsp, 0x38
        ret
        .balign 8
imports:
        .long table - mz + RVA, 0, 0, dll - mz + RVA, addresses - mz + RVA
        .fill 5, 4, 0
importsEnd:
        .balign 8
table:  .quad n1 - mz + RVA, n2 - mz + RVA, n3 - mz + RVA, n4 - mz + RVA, n5 - mz + RVA, 0
addresses:
getCommandLine: .quad n1 - mz + RVA
lstrlen:        .quad n2 - mz + RVA
createFile:     .quad n3 - mz + RVA
writeFile:      .quad n4 - mz + RVA
exitProcess:    .quad n5 - mz + RVA
        .quad 0
n1:     .asciz "\0\0GetCommandLineW"
n2:     .asciz "\0\0lstrlenW"
n3:     .asciz "\0\0CreateFileW"
n4:     .asciz "\0\0WriteFile"
n5:     .asciz "\0\0ExitProcess"
dll:    .asciz "kernel32.dll"
        .balign 2
path:   .string16 "C:\\calls.txt"
newline: .short 13, 10
        .org 0x800
